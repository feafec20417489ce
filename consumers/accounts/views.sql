-- What others may read: the edge answers from these views; notifications and payments open what is sealed with a
-- person's own key (e-mail, address) with the keyring.
-- Views are dropped first because replacing one cannot take columns away; all of it happens in one transaction.

DROP VIEW IF EXISTS public_profile, own_profile, login_lookup, username_lookup, follow_view, watch_view, session_view, command_view;

CREATE VIEW public_profile AS
    SELECT id, username, (SELECT path FROM avatar WHERE user_id = account.id) AS avatar_path,
           (SELECT round(avg(stars), 2) FROM rating WHERE rated_id = account.id AND rated = 'seller') AS seller_rating,
           (SELECT count(*) FROM rating WHERE rated_id = account.id AND rated = 'seller') AS rating_count,
           (SELECT count(*) FROM follow WHERE seller_id = account.id) AS follower_count,
           roles, to_timestamp(created_ms / 1000.0) AS created_at
      FROM account WHERE NOT erased;

CREATE VIEW own_profile AS
    SELECT id, username, full_name_sealed, email_sealed, wrapped_key, (SELECT path FROM avatar WHERE user_id = account.id) AS avatar_path,
           (SELECT round(avg(stars), 2) FROM rating WHERE rated_id = account.id AND rated = 'seller') AS seller_rating,
           (SELECT count(*) FROM rating WHERE rated_id = account.id AND rated = 'seller') AS rating_count,
           (SELECT count(*) FROM strike WHERE buyer_id = account.id AND NOT lifted AND struck_at > now() - interval '365 days') AS strikes,
           (SELECT count(*) FROM follow WHERE seller_id = account.id) AS follower_count,
           roles, verified AS is_verified, CASE WHEN suspended THEN 'suspended' ELSE 'active' END AS status,
           to_timestamp(created_ms / 1000.0) AS created_at
      FROM account JOIN keyring ON user_id = id WHERE NOT erased;

CREATE VIEW login_lookup AS
    SELECT email_hash, user_id FROM email_owner;

CREATE VIEW username_lookup AS
    SELECT username_key, user_id FROM username_owner;

CREATE VIEW follow_view AS
    SELECT seller_id, user_id AS follower_id, follower.username AS follower_username,
           seller.username AS seller_username, since AS followed_at
      FROM follow
      JOIN account AS follower ON follower.id = user_id AND NOT follower.erased
      JOIN account AS seller ON seller.id = seller_id AND NOT seller.erased;

CREATE VIEW watch_view AS
    SELECT user_id, auction_id, since AS watched_at FROM watch;

CREATE VIEW session_view AS
    SELECT id AS session_id, user_id, to_timestamp(opened_ms / 1000.0) AS opened_at,
           to_timestamp(expires_ms / 1000.0) AS expires_at, to_timestamp(revoked_ms / 1000.0) AS revoked_at
      FROM session;

CREATE VIEW command_view AS
    SELECT command_id, command_type, aggregate, actor,
           convert_from(reply, 'UTF8')::json ->> 'outcome' AS outcome,
           convert_from(reply, 'UTF8')::json ->> 'code' AS code,
           reply, at_ms
      FROM log;

GRANT USAGE ON SCHEMA accounts TO edge, notifications, payments;
GRANT SELECT ON public_profile, own_profile, login_lookup, username_lookup, follow_view, watch_view, session_view, command_view, keyring TO edge;
GRANT SELECT ON keyring TO notifications, payments;
