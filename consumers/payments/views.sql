-- What others may read of payments: the edge answers from these views. Amounts are hundredths of the currency.
-- Views are dropped first because replacing one cannot take columns away; all of it happens in one transaction.

DROP VIEW IF EXISTS order_view, order_history_view, payment_view, secret_view, payout_account_view, payment_method_view,
                    auto_pay_view, invoice_view, command_view;

CREATE VIEW order_view AS
SELECT id                                                     AS order_id,
       auction_id,
       offer_number                                           AS offer,
       seller_id,
       buyer_id,
       status                                                 AS state,
       state ->> 'title'                                      AS title,
       (state ->> 'hammer')::bigint                           AS price_minor,
       (state ->> 'shipping')::bigint                         AS shipping_minor,
       (state ->> 'tax')::bigint                              AS tax_minor,
       (state ->> 'amount')::bigint                           AS total_minor,
       (state ->> 'commission')::bigint                       AS fee_minor,
       (state ->> 'proceeds')::bigint                         AS proceeds_minor,
       coalesce((SELECT sum((p ->> 'amount')::bigint + (p ->> 'recovered')::bigint - (p ->> 'reversed')::bigint)
                   FROM jsonb_array_elements(state -> 'payouts') p WHERE p ->> 'status' = 'sent'), 0)::bigint AS payout_minor,
       coalesce((SELECT sum((r ->> 'amount')::bigint)
                   FROM jsonb_array_elements(state -> 'refunds') r WHERE r ->> 'status' = 'done'), 0)::bigint AS refunded_minor,
       state ->> 'currency'                                   AS currency,
       state -> 'terms'                                       AS terms,
       CASE WHEN state ->> 'payment' <> 'none' THEN payment_id END AS payment_id,
       state ->> 'shipping_sealed'                            AS shipping_sealed,
       state ->> 'carrier'                                    AS carrier,
       state ->> 'tracking_sealed'                            AS tracking_sealed,
       to_timestamp(created_ms / 1000.0)                                      AS created_at,
       CASE WHEN status <> 'offered' THEN to_timestamp((state ->> 'due_ms')::bigint / 1000.0) END AS pay_by,
       to_timestamp((state ->> 'paid_ms')::bigint / 1000.0)                   AS paid_at,
       to_timestamp((state ->> 'shipped_ms')::bigint / 1000.0)                AS shipped_at,
       to_timestamp((state ->> 'delivered_ms')::bigint / 1000.0)              AS delivered_at,
       to_timestamp((state ->> 'completed_ms')::bigint / 1000.0)              AS completed_at,
       CASE WHEN status IN ('offered', 'lapsed') THEN to_timestamp((state ->> 'due_ms')::bigint / 1000.0) END AS offer_expires_at,
       coalesce(state ->> 'problem', held)                    AS problem,
       (state ->> 'buyer_stars')::int                         AS buyer_stars,
       (state ->> 'seller_stars')::int                        AS seller_stars,
       sequence
  FROM orders;

-- What happened to an order, for its buyer and seller; nothing in it is sealed or secret.
CREATE VIEW order_history_view AS
SELECT log.aggregate                                          AS order_id,
       (told.event ->> 'sequence')::bigint                    AS sequence,
       told.event ->> 'eventType'                             AS event_type,
       to_timestamp(log.at_ms / 1000.0)                                       AS at,
       CASE WHEN log.actor = o.buyer_id::text THEN 'buyer'
            WHEN log.actor = o.seller_id::text THEN 'seller'
            WHEN log.command_type LIKE 'Record%' THEN 'provider'
            ELSE 'platform'
       END                                                    AS by,
       told.event -> 'data'                                   AS data
  FROM log
  JOIN orders o ON o.id = log.aggregate
 CROSS JOIN LATERAL unnest(log.events) AS one
 CROSS JOIN LATERAL (SELECT convert_from(one, 'UTF8')::jsonb AS event) told
 WHERE log.first_seq IS NOT NULL;

CREATE VIEW payment_view AS
SELECT o.payment_id,
       o.id                                                   AS order_id,
       o.auction_id,
       o.buyer_id,
       o.seller_id,
       (o.state ->> 'amount')::bigint                         AS amount_minor,
       o.state ->> 'currency'                                 AS currency,
       o.state ->> 'payment'                                  AS status,
       o.status                                               AS order_state,
       s.sealed                                               AS client_secret_sealed,
       coalesce(s.failure_code, o.state ->> 'decline_code')   AS failure_code,
       coalesce(s.failure_message, o.state ->> 'decline_message') AS failure_message,
       coalesce((SELECT sum((r ->> 'amount')::bigint)
                   FROM jsonb_array_elements(o.state -> 'refunds') r WHERE r ->> 'status' = 'done'), 0)::bigint AS refunded_minor,
       to_timestamp(o.created_ms / 1000.0)                                    AS created_at
  FROM orders o
  LEFT JOIN secret s ON s.id = o.payment_id
 WHERE o.state ->> 'payment' <> 'none';

CREATE VIEW secret_view AS
SELECT id, kind, sealed, failure_code, failure_message, expires_at, created_at FROM secret;

CREATE VIEW payout_account_view AS
SELECT id                                                     AS seller_id,
       account_id,
       CASE WHEN account_id IS NULL AND state ->> 'country' IS NOT NULL THEN 'creating'
            WHEN account_id IS NULL THEN 'none'
            WHEN (state ->> 'payouts_enabled')::boolean THEN 'enabled'
            WHEN (state ->> 'details_submitted')::boolean THEN 'restricted'
            ELSE 'pending'
       END                                                    AS status,
       (state ->> 'charges_enabled')::boolean                 AS charges_enabled,
       (state ->> 'payouts_enabled')::boolean                 AS payouts_enabled,
       (state ->> 'details_submitted')::boolean               AS details_submitted,
       state -> 'requirements'                                AS requirements
  FROM person;

CREATE VIEW payment_method_view AS
SELECT person.id                                              AS user_id,
       method ->> 'id'                                        AS method_id,
       method ->> 'brand'                                     AS brand,
       method ->> 'last4'                                     AS last4,
       (method ->> 'exp_month')::int                          AS exp_month,
       (method ->> 'exp_year')::int                           AS exp_year,
       place = jsonb_array_length(state -> 'methods')         AS is_default
  FROM person
 CROSS JOIN LATERAL jsonb_array_elements(state -> 'methods') WITH ORDINALITY AS m (method, place);

CREATE VIEW auto_pay_view AS
SELECT id                                                     AS user_id,
       (state ->> 'automatic')::boolean                       AS enabled,
       state -> 'methods' -> -1 ->> 'id'                      AS method_id
  FROM person;

CREATE VIEW invoice_view AS
SELECT order_id, party, number, to_timestamp(issued_ms / 1000.0) AS issued_at, document, pdf FROM invoice;

CREATE VIEW command_view AS
SELECT command_id, command_type, aggregate, actor,
       convert_from(reply, 'UTF8')::json ->> 'outcome' AS outcome,
       convert_from(reply, 'UTF8')::json ->> 'code' AS code,
       reply, at_ms
  FROM log;

GRANT USAGE ON SCHEMA payments TO edge;
GRANT SELECT ON order_view, order_history_view, payment_view, secret_view, payout_account_view, payment_method_view,
                auto_pay_view, invoice_view, command_view TO edge;
