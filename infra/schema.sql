-- The votes' table, the loop's user and the API's in the new database of a standalone stage. RDS has made
-- the database itself. What is there already stays, so this may be run again.
-- `python -m infra.pack_schema` packs it; docs/deploy.md says where to run it.

USE hairme;

-- As the application writes it; created_at and feedback_at are UTC. The index makes the weekly
-- read cost what changed.
CREATE TABLE IF NOT EXISTS analysis_history (
  id                    INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id               VARCHAR(100) DEFAULT 'anonymous',
  image_hash            VARCHAR(64),
  face_shape            VARCHAR(50),
  personal_color        VARCHAR(50),
  recommended_styles    JSON,
  style_1_feedback      VARCHAR(10),
  style_2_feedback      VARCHAR(10),
  style_3_feedback      VARCHAR(10),
  style_4_feedback      VARCHAR(10),
  style_5_feedback      VARCHAR(10),
  style_1_naver_clicked BOOLEAN,
  style_2_naver_clicked BOOLEAN,
  style_3_naver_clicked BOOLEAN,
  style_4_naver_clicked BOOLEAN,
  style_5_naver_clicked BOOLEAN,
  feedback_at           DATETIME,
  created_at            DATETIME,
  INDEX ix_feedback_at (feedback_at, style_1_feedback, style_2_feedback, style_3_feedback,
                        style_4_feedback, style_5_feedback)
) CHARACTER SET utf8mb4;

-- It logs in by an IAM token and has no password.
CREATE USER IF NOT EXISTS 'retraining'@'%'
  IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL;
GRANT SELECT ON hairme.analysis_history TO 'retraining'@'%';

-- The API records what it showed and takes votes; it deletes nothing and changes no table.
CREATE USER IF NOT EXISTS 'hairme_api'@'%'
  IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE ON hairme.analysis_history TO 'hairme_api'@'%';
