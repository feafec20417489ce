CREATE TABLE counter (id uuid PRIMARY KEY, total bigint NOT NULL, sequence bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE name (name text PRIMARY KEY, id uuid NOT NULL);
CREATE TABLE seen_total (id uuid PRIMARY KEY, total bigint NOT NULL);
CREATE TABLE rung (id uuid NOT NULL);
