// The page's behaviour: asks for styles, shows them, takes votes, says what went wrong.
//
// Everything that is shown is set as text, never as HTML: a style's name is whatever somebody
// once typed. The words stand in index.html; elements hold both languages (data-ko, data-en), so
// that changing the language redraws nothing and keeps every vote and the focus. No framework:
// there is one form and one list.
"use strict";

const HOW_MANY = 8; // styles in one answer
const SLOW = 2500; // ms after which we say that we are still waiting
const PATIENCE = 10000; // ms after which we stop waiting
const PAUSES = [400, 1200]; // ms before a vote is sent again; sending it twice changes nothing
const KEY = "hairme-api-key", LANGUAGE = "hairme-language";

const get = (id) => document.getElementById(id);
let language = "ko";
let asking = null; // the AbortController of the request that counts, while it is on its way
let asked = null; // and what it asks for

// ---------------------------------------------------------------- speaking two languages

function speak(node, ko, en) {
  Object.assign(node.dataset, { ko, en });
  node.textContent = node.dataset[language];
}

function announce(ko, en) {
  get("said").textContent = language === "ko" ? ko : en;
}

function speakAll(nodes) {
  for (const node of nodes) {
    node.dataset.ko ??= node.textContent;
    node.textContent = node.dataset[language];
  }
}

function choose(wanted) {
  language = wanted === "en" ? "en" : "ko";
  document.documentElement.lang = language;
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  get("said").textContent = "";
  speakAll(document.querySelectorAll("[data-en]"));
  document.title = `HairMe · ${document.querySelector("h1").textContent}`;
}

function both(makeText) {
  return [makeText("ko"), makeText("en")];
}

const percent = (value) => `${Math.round(value * 100)}%`;

function time(text) {
  const options = { dateStyle: "medium", timeStyle: "short" };
  return both((tongue) => new Intl.DateTimeFormat(tongue, options).format(new Date(text)));
}

// ------------------------------------------------------------------------- asking the API

class Fault extends Error {
  constructor(kind, problem = {}) {
    super(kind);
    Object.assign(this, { kind, problem });
  }
}

async function call(path, body, controller = new AbortController()) {
  const late = setTimeout(() => controller.abort("late"), PATIENCE);
  try {
    return await answer(await fetch(path, request(body, controller.signal)));
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (controller.signal.aborted) throw new Fault(controller.signal.reason);
    throw new Fault(navigator.onLine ? "unreachable" : "offline");
  } finally {
    clearTimeout(late);
  }
}

function request(body, signal) {
  const key = kept(KEY);
  const headers = { Accept: "application/json", ...(key && { "X-API-Key": key }) };
  if (!body) return { headers, signal, cache: "no-store" };
  headers["Content-Type"] = "application/json";
  return { method: "POST", headers, signal, body: JSON.stringify(body), keepalive: true };
}

async function answer(response) {
  const found = await response.json().catch((error) => {
    if (error instanceof SyntaxError) return {};
    throw error; // the connection broke, or we stopped waiting
  });
  if (response.ok) return found;
  throw new Fault(kindOf(response.status), found);
}

function kindOf(status) {
  if (status === 401) return kept(KEY) ? "other-key" : "key";
  return status >= 500 ? "failing" : "refused";
}

// Storage can be forbidden; then nothing outlives the page. The key never leaves the tab.
const storage = (name) => (name === KEY ? sessionStorage : localStorage);

function kept(name) {
  try {
    return storage(name).getItem(name);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    if (value) storage(name).setItem(name, value);
    else storage(name).removeItem(name);
  } catch { /* as above */ }
  get("forget").hidden = !kept(KEY);
  return value;
}

// ---------------------------------------------------------------------- what went wrong

const FACTS = [
  ["rule", "규칙", "Rule"], ["value", "받은 값", "Got"], ["remedy", "해결", "Remedy"],
  ["request_id", "요청 번호", "Request"],
];
const needsKey = (fault) => fault.kind === "key" || fault.kind === "other-key";

function clone(id) {
  const made = get(id).content.cloneNode(true);
  speakAll(made.querySelectorAll("[data-en]"));
  return made.firstElementChild;
}

// Puts what went wrong in its place; who must enter a key finds the cursor there.
function tell(place, fault, again) {
  const box = clone("trouble");
  box.prepend(...clone(fault.kind).children);
  box.querySelector(".facts").append(...facts(fault.problem));
  box.querySelector(".again").hidden = needsKey(fault);
  box.querySelector(".again").addEventListener("click", again);
  if (needsKey(fault)) askForKey(box.querySelector(".key"), again);
  place.replaceChildren(box);
  box.querySelector(".key:not([hidden]) input")?.focus();
}

function facts(problem) {
  return FACTS.filter(([name]) => problem[name]).map(([name, ko, en]) => {
    const line = clone("fact");
    speak(line.firstElementChild, ko, en);
    line.lastElementChild.textContent = problem[name];
    return line;
  });
}

function askForKey(form, again) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keep(KEY, form.querySelector("input").value.trim());
    again();
  });
}

// ----------------------------------------------------------------------- the model's card

async function showModel() {
  try {
    paintModel(await call("model"));
  } catch {
    speak(get("state"), "알 수 없음", "unknown");
    get("state").className = "warned";
  }
}

function paintModel(model) {
  get("version").textContent = model.version ?? "–";
  speak(get("since"), ...(model.since ? time(model.since) : ["–", "–"]));
  const state = model.version === null ? ["아직 모델이 없음", "no model yet"]
    : model.degraded ? ["이전 모델로 답하는 중", "an earlier model answers"]
    : ["정상", "as it should be"];
  speak(get("state"), ...state);
  get("state").className = model.version && !model.degraded ? "good" : "warned";
  get("answered").classList.toggle("warned", model.degraded);
  get("degraded").hidden = !model.degraded;
  get("newer").textContent = model.active?.version ?? "–";
  get("degraded").querySelector(".cause").textContent = model.why;
}

// ----------------------------------------------------------------------------- one style

function styleRow(item, found) {
  const row = clone("style-row");
  row.querySelector(".rank").textContent = item.rank;
  row.querySelector("h3").textContent = item.style;
  row.querySelector(".chance b").textContent = percent(item.like_probability);
  row.querySelector(".bar i").style.width = percent(item.like_probability);
  if (found.recorded && item.votable) return votableRow(row, item, found.recommendation_id);
  row.classList.add("unvotable");
  for (const part of row.querySelectorAll(".votes, .detail")) part.remove();
  return row;
}

function votableRow(row, item, recommendation) {
  const place = { recommendation_id: recommendation, position: item.rank };
  for (const name of row.querySelectorAll(".of")) name.textContent = item.style;
  takeVotes(row, place, item.style);
  lookUp(row.querySelector(".look"), place, item.style);
  return row;
}

function lookUp(link, place, style) {
  const words = encodeURIComponent(`${style} 헤어스타일`);
  link.href = `https://search.naver.com/search.naver?where=image&query=${words}`;
  const click = { ...place, feedback: "click" };
  link.addEventListener("click", () => call("feedback", click).catch(() => {})); // never in the way
}

// What a person wants and what the server has: while they differ, one request is on its way.
// Pressing quickly sends the last wish, and pressing the same again sends nothing, unless a
// request failed: then nobody is sure of what the server has.
function takeVotes(row, place, style) {
  const vote = { row, place, style, wanted: null, saved: null, sure: true, sending: false };
  row.querySelector(".votes").addEventListener("click", (event) => {
    const button = event.target.closest("[data-vote]");
    if (button) send(vote, button.dataset.vote);
  });
}

function paint({ row, wanted, sending }) {
  row.querySelector(".votes").setAttribute("aria-busy", String(sending));
  for (const button of row.querySelectorAll("[data-vote]")) {
    button.setAttribute("aria-pressed", String(button.dataset.vote === wanted));
  }
}

async function send(vote, wanted) {
  vote.wanted = wanted;
  paint(vote);
  if (vote.sending) return; // whoever sends now looks again when done
  vote.row.querySelector(".outcome").replaceChildren();
  vote.sending = true;
  try {
    while (!vote.sure || vote.wanted !== vote.saved) await sendOnce(vote);
    announce(`${vote.style}: 평가를 저장했습니다`, `${vote.style}: your vote is saved`);
  } catch (fault) {
    notSaved(vote, fault);
  }
  vote.sending = false;
  paint(vote);
}

async function sendOnce(vote) {
  const wish = vote.wanted;
  vote.sure = false;
  paint(vote);
  await patiently(() => call("feedback", { ...vote.place, feedback: wish }));
  Object.assign(vote, { saved: wish, sure: true });
}

function notSaved(vote, fault) {
  const wish = vote.wanted;
  vote.wanted = vote.saved;
  tell(vote.row.querySelector(".outcome"), fault, () => {
    vote.row.querySelector(`[data-vote="${wish}"]`).focus(); // what was pressed goes away
    send(vote, wish);
  });
}

async function patiently(attempt) {
  for (const pause of PAUSES) {
    try {
      return await attempt();
    } catch (fault) {
      if (needsKey(fault) || fault.kind === "refused") throw fault;
      await new Promise((done) => setTimeout(done, pause));
    }
  }
  return attempt();
}

// ---------------------------------------------------------------------------- an answer

async function ask() {
  const choice = new FormData(get("ask"));
  const body = { ...Object.fromEntries(choice), k: HOW_MANY };
  if (missing(choice)) return;
  if (asking && asked === JSON.stringify(body)) return; // a double click
  asking?.abort("newer");
  const mine = new AbortController();
  asked = JSON.stringify(body);
  waiting(mine);
  const slow = setTimeout(() => announce("아직 기다리고 있습니다…", "Still waiting…"), SLOW);
  try {
    const found = await call("recommend", body, mine);
    if (mine === asking) show(found, choice);
  } catch (fault) {
    if (mine === asking) tell(get("notice"), fault, askAgain);
  } finally {
    clearTimeout(slow);
    if (mine === asking) waiting(null);
  }
}

function askAgain() {
  get("results").focus({ preventScroll: true }); // the button that was pressed goes away
  ask();
}

function waiting(request) {
  asking = request;
  get("results").classList.toggle("busy", Boolean(request));
  get("results").setAttribute("aria-busy", String(Boolean(request)));
  if (request) announce("추천을 찾고 있습니다", "Looking for styles");
}

function missing(choice) {
  const lacks = { faces: !choice.has("face_shape"), colours: !choice.has("personal_color") };
  for (const group in lacks) get(`${group}-missing`).firstElementChild.hidden = !lacks[group];
  const first = lacks.faces ? "faces" : lacks.colours && "colours";
  if (first) get(first).querySelector("input").focus();
  return Boolean(first);
}

function show(found, choice) {
  const rows = found.items.map((item) => styleRow(item, found));
  const others = rows.filter((row) => row.classList.contains("unvotable"));
  if (others.length && others.length < rows.length) {
    rows.splice(rows.indexOf(others[0]), 0, clone("others"));
  }
  get("styles").className = "";
  get("styles").removeAttribute("aria-hidden");
  get("styles").replaceChildren(...rows);
  get("notice").replaceChildren();
  head(found, choice);
  announce(...told(found));
  showModel();
  bringIntoView();
}

function head(found, choice) {
  const learned = ({ known }) => known.face_shape && known.skin_tone;
  get("unlearned").hidden = found.items.every(learned);
  get("unrecorded").hidden = found.recorded;
  get("unrecorded").querySelector(".cause").textContent = found.why_not_recorded;
  speak(get("for-whom"), ...both((tongue) =>
    `${label(choice, "face_shape", tongue)} · ${label(choice, "personal_color", tongue)}`));
  speak(get("answered"), `${found.version} 모델의 답`, `answered by ${found.version}`);
}

function label(choice, name, tongue) {
  const input = document.querySelector(`input[name="${name}"][value="${choice.get(name)}"]`);
  return input.closest("label").querySelector("[data-en]").dataset[tongue];
}

function told(found) {
  const [count, best] = [found.items.length, found.items[0]];
  if (!best) return ["추천할 스타일이 없습니다", "There is no style to recommend"];
  const chance = percent(best.like_probability);
  return [
    `스타일 ${count}개를 추천합니다. 1위는 ${best.style}, 좋아할 확률 ${chance}`,
    `${count} styles. First: ${best.style}, chance of a like ${chance}`,
  ];
}

function bringIntoView() {
  const { top } = get("results").getBoundingClientRect();
  if (top > window.innerHeight * 0.6) get("results").scrollIntoView();
}

// -------------------------------------------------------------------------------- begin

function begin() {
  choose(kept(LANGUAGE));
  keep(KEY, kept(KEY));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => choose(keep(LANGUAGE, button.dataset.language)));
  }
  get("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  get("ask").addEventListener("change", chosen);
  get("forget").addEventListener("click", () => {
    keep(KEY, "");
    announce("키를 지웠습니다", "The key is forgotten");
  });
  showModel();
}

function chosen({ target }) {
  if (target.name === "personal_color") document.documentElement.dataset.colour = target.value;
  target.closest("fieldset").querySelector(".missing span").hidden = true;
}

begin();
