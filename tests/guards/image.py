"""The guards of the container image."""

from tests.guards.mutant import Mutant

MUTANTS = (
    Mutant(
        name="image-sent-everything",
        guards="the build sees the program and nothing else",
        file=".dockerignore",
        old=("*\n!common\n"),
        new="!common\n",
        tests=(
            "tests/image/test_dockerfile.py::test_a_changed_test_does_not_change_the_image_and_a_changed_program_does",
        ),
    ),
    Mutant(
        name="image-entry-by-shell",
        guards="promise 1: the signal to stop reaches the task itself",
        file="Dockerfile",
        old='ENTRYPOINT ["/opt/venv/bin/python", "-m", "task"]',
        new="ENTRYPOINT /opt/venv/bin/python -m task",
        tests=(
            "tests/image/test_dockerfile.py::test_the_program_itself_is_the_first_process_and_gets_the_signal_to_stop",
        ),
    ),
    Mutant(
        name="image-runs-as-root",
        guards="the task is nobody",
        file="Dockerfile",
        old="""USER 10001:10001
VOLUME ["/tmp"]
EXPOSE""",
        new="""USER root
VOLUME ["/tmp"]
EXPOSE""",
        tests=(
            "tests/image/test_dockerfile.py::test_the_program_is_nobody_and_only_tmp_is_made_for_writing",
        ),
    ),
    Mutant(
        name="image-volume-undeclared",
        guards="the task can write to /tmp and nowhere else",
        file="Dockerfile",
        old='VOLUME ["/tmp"]\nEXPOSE',
        new="EXPOSE",
        tests=(
            "tests/image/test_dockerfile.py::test_the_program_is_nobody_and_only_tmp_is_made_for_writing",
        ),
    ),
    Mutant(
        name="image-cuda-accepted",
        guards="no gigabytes of CUDA in the image",
        file="Dockerfile",
        old="if torch.version.cuda or gpu else 0",
        new="if torch.version.cuda and gpu else 0",
        tests=("tests/image/test_dockerfile.py::test_the_build_stops_at_a_torch_for_cuda",),
    ),
    Mutant(
        name="image-mirror-in-history",
        guards="no address of the build machine is left in the image",
        file="Dockerfile",
        old='WORKDIR /app\nUSER 10001:10001\nVOLUME ["/tmp"]\nEXPOSE',
        new='ARG PIP_INDEX_URL\nWORKDIR /app\nUSER 10001:10001\nVOLUME ["/tmp"]\nEXPOSE',
        tests=(
            "tests/image/test_dockerfile.py::test_no_secret_and_no_address_of_a_mirror_gets_into_the_image",
        ),
    ),
    Mutant(
        name="image-torch-not-first",
        guards="torch comes first and alone, with its CPU index",
        file="Dockerfile",
        old='--retries 0 --extra-index-url "${TORCH_INDEX}" "${torch}"',
        new='--extra-index-url "${TORCH_INDEX}" -r /opt/requirements.txt',
        tests=(
            "tests/image/test_dockerfile.py::test_torch_is_installed_first_and_alone_with_its_cpu_index",
        ),
    ),
    Mutant(
        name="api-image-trains",
        guards="the API's image has no library that trains",
        file="Dockerfile",
        old="'torch', 'pandas', 'sklearn', 'scipy', 'pyarrow') if",
        new="'torch', 'pandas', 'sklearn', 'scipy') if",
        tests=("tests/image/test_dockerfile.py::test_the_build_of_the_api_stops_at_what_trains",),
    ),
    Mutant(
        name="api-image-with-all-of-the-task",
        guards="the API gets of the task what reads a version, and nothing that makes one",
        file="Dockerfile",
        old="COPY task/__init__.py task/artifact.py task/features.py task/metrics.py "
        "task/versions.py /app/task/",
        new="COPY task /app/task",
        tests=(
            "tests/image/test_dockerfile.py::test_only_the_programs_and_their_pins_are_copied_from_the_project",
        ),
    ),
    Mutant(
        name="image-revision-of-any-commit",
        guards="a commit of tests makes no new image",
        file="image/build.py",
        old='"--abbrev=12", "--", *CONTENT[target])',
        new='"--abbrev=12")',
        tests=("tests/image/test_build.py::test_the_revision_is_that_of_the_images_content",),
    ),
    Mutant(
        name="image-skip-silent",
        guards="a test that is skipped is said loudly",
        file=".ci/run",
        old='echo "SKIPPED: ',
        new='true "SKIPPED: ',
        tests=("tests/image/test_ci.py",),
    ),
)
