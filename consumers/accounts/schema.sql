-- What accounts keeps. `_ms` are milliseconds since 1970, hashes are SHA-256 as hex, sealed texts as schemas/sealed.py writes them.

CREATE TABLE IF NOT EXISTS account (
    id                      uuid    PRIMARY KEY,
    sequence                bigint  NOT NULL, -- of its last event
    erased                  boolean NOT NULL DEFAULT false, -- then everything below is empty
    username                text,
    email_hash              text, -- HMAC, for looking up only
    email_sealed            text,
    full_name_sealed        text,
    password_hash           text,
    roles                   text[],
    created_ms              bigint,
    verified                boolean,
    suspended               boolean,
    verification_hash       text,
    verification_expires_ms bigint,
    reset_hash              text,
    reset_expires_ms        bigint,
    mails_ms                bigint[],
    tokens_since_ms         bigint, -- access tokens issued before are dead
    CONSTRAINT account_is_whole_or_erased CHECK (
        CASE WHEN erased
             THEN num_nonnulls(username, email_hash, email_sealed, full_name_sealed, password_hash) = 0
             ELSE num_nonnulls(username, email_hash, email_sealed, full_name_sealed, password_hash) = 5 END)
);
CREATE INDEX IF NOT EXISTS account_suspended ON account (id) WHERE suspended;
CREATE INDEX IF NOT EXISTS account_tokens_since ON account (tokens_since_ms) WHERE tokens_since_ms > 0;

-- Whose an e-mail address and a username are. Two workers that give one away at once: the second one's insert fails, and it decides anew.
CREATE TABLE IF NOT EXISTS email_owner (
    email_hash text PRIMARY KEY,
    user_id    uuid NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS username_owner (
    username_key text PRIMARY KEY, -- the username in lower case
    user_id      uuid NOT NULL UNIQUE
);

-- The person's own key, wrapped by the master key. Deleting the row erases what it sealed, here, on every topic and in every backup.
CREATE TABLE IF NOT EXISTS keyring (
    user_id     uuid PRIMARY KEY,
    wrapped_key text NOT NULL
);

-- Wrong passwords in a row, also for ids that nobody has: who guesses must not see a difference.
CREATE TABLE IF NOT EXISTS attempt (
    user_id  uuid   PRIMARY KEY,
    failures int    NOT NULL,
    last_ms  bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS attempt_last ON attempt (last_ms);

CREATE TABLE IF NOT EXISTS session (
    id           uuid   PRIMARY KEY,
    user_id      uuid   NOT NULL,
    refresh_hash text   NOT NULL,
    opened_ms    bigint NOT NULL,
    expires_ms   bigint NOT NULL,
    revoked_ms   bigint
);
CREATE INDEX IF NOT EXISTS session_of_user ON session (user_id, opened_ms);
CREATE INDEX IF NOT EXISTS session_revoked ON session (revoked_ms) WHERE revoked_ms IS NOT NULL;

-- Refresh tokens that were exchanged: one that is shown again is in two hands.
CREATE TABLE IF NOT EXISTS spent_refresh (
    refresh_hash text NOT NULL,
    session_id   uuid NOT NULL REFERENCES session ON DELETE CASCADE,
    PRIMARY KEY (session_id, refresh_hash)
);

CREATE TABLE IF NOT EXISTS follow (
    user_id   uuid        NOT NULL,
    seller_id uuid        NOT NULL,
    since     timestamptz NOT NULL,
    PRIMARY KEY (user_id, seller_id)
);
CREATE INDEX IF NOT EXISTS follow_of_seller ON follow (seller_id, since, user_id);

CREATE TABLE IF NOT EXISTS watch (
    user_id    uuid        NOT NULL,
    auction_id uuid        NOT NULL,
    since      timestamptz NOT NULL,
    PRIMARY KEY (user_id, auction_id)
);
CREATE INDEX IF NOT EXISTS watch_of_user ON watch (user_id, since, auction_id);

-- What payments told: how the two sides of an order judged each other, and who left an order unpaid. Facts of others, so
-- nothing here is folded from accounts' own log.
CREATE TABLE IF NOT EXISTS rating (
    order_id uuid        NOT NULL,
    rated    text        NOT NULL CHECK (rated IN ('seller', 'buyer')),
    rated_id uuid        NOT NULL,
    stars    smallint    NOT NULL CHECK (stars BETWEEN 1 AND 5),
    given_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, rated)
);
CREATE INDEX IF NOT EXISTS rating_of_user ON rating (rated_id, rated) INCLUDE (stars);

CREATE TABLE IF NOT EXISTS strike (
    order_id  uuid        PRIMARY KEY,
    buyer_id  uuid        NOT NULL,
    struck_at timestamptz NOT NULL
);
ALTER TABLE strike ADD COLUMN IF NOT EXISTS lifted boolean NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS strike_of_user ON strike (buyer_id, struck_at);
-- What transcoding told about avatars: the CDN's path of each person's latest; NULL when it was withdrawn.
CREATE TABLE IF NOT EXISTS avatar (
    user_id      uuid PRIMARY KEY,
    picture_id   uuid        NOT NULL,
    path         text,
    requested_at timestamptz NOT NULL
);
