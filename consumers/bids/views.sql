-- What others may read of bids: the edge all of it, the clock only `due`. Nothing here shows a maximum or a reserve.
-- A view is dropped first because replacing one cannot take columns away; all of it happens in one transaction.

DROP VIEW IF EXISTS auction_view, public_event_view, my_bid_view, command_view, due;
DROP FUNCTION IF EXISTS public_events_after(uuid, bigint, int), public_events_before(uuid, bigint, int);
DROP FUNCTION IF EXISTS withdrawals(uuid);
DROP FUNCTION IF EXISTS public_events(bytea[]);

-- One row per auction, drafts included: those are for their seller's eyes only, and the edge sees to that.
-- `WHERE status = 'live' AND ends_at > now() ORDER BY ends_at, id` reads the index of open auctions.
CREATE VIEW auction_view AS
SELECT a.id,
       l.seller_id,
       l.title,
       l.description,
       l.category,
       l.tags,
       l.video_id,
       l.shipping_info,
       l.currency,
       l.starting_price                                   AS starting_price_minor,
       a.price                                            AS price_minor,
       a.leader_id,
       a.minimum_next                                     AS minimum_next_minor,
       a.bid_count,
       a.reserve_met IS NOT NULL                          AS has_reserve,
       a.reserve_met,
       CASE WHEN a.buy_now_available THEN l.buy_now END   AS buy_now_minor,
       a.buy_now_available,
       l.buy_now                                          AS listed_buy_now_minor,
       CASE WHEN a.status = 'open' AND l.starts_at > now() THEN 'scheduled'
            WHEN a.status = 'open' THEN 'live'
            WHEN a.status = 'discarded' THEN 'cancelled'
            ELSE a.status
       END                                                AS status,
       a.outcome,
       CASE WHEN a.outcome IN ('sold', 'sold_buy_now') THEN a.leader_id END AS winner_id,
       CASE WHEN a.outcome IN ('sold', 'sold_buy_now') THEN a.price END     AS final_price_minor,
       l.starts_at,
       a.ends_at,
       l.duration_s,
       l.created_at,
       l.closing,
       l.increments,
       l.max_buyer_strikes,
       l.pay_window_s,
       a.seq,
       a.public_seq,
       EXISTS (SELECT FROM standing s WHERE s.user_id = l.seller_id AND s.suspended) AS seller_suspended
  FROM auction a
  JOIN listing l ON l.auction_id = a.id;

-- The events of one command that everyone may see; drafts and what concerns one bidder alone are left out (E11).
CREATE FUNCTION public_events(events bytea[])
RETURNS TABLE (sequence bigint, previous bigint, kind text, envelope bytea)
LANGUAGE sql IMMUTABLE AS $$
    SELECT (said.event ->> 'sequence')::bigint,
           (said.event ->> 'previousPublicSequence')::bigint,
           said.event ->> 'eventType',
           one
      FROM unnest(events) AS one
     CROSS JOIN LATERAL (SELECT convert_from(one, 'UTF8')::json AS event) said
     WHERE said.event ->> 'eventType' NOT IN ('BidRefused', 'MaximumRaised', 'BidderBlocked')
       AND said.event -> 'data' ->> 'draft' IS DISTINCT FROM 'true'
$$;

-- The public events of auctions, as they are on the topic. For one auction from some sequence on, use the functions
-- below: they find the place in the index, which a condition on `sequence` here cannot.
CREATE VIEW public_event_view AS
SELECT l.aggregate AS auction_id,
       e.sequence,
       e.previous AS previous_public_sequence,
       e.kind AS event_type,
       e.envelope
  FROM log l
 CROSS JOIN LATERAL public_events(l.events) e
 WHERE l.first_seq IS NOT NULL;

CREATE FUNCTION public_events_after(auction uuid, after bigint, most int)
RETURNS TABLE (sequence bigint, previous_public_sequence bigint, event_type text, envelope bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = bids, pg_temp AS $$
    SELECT e.sequence, e.previous, e.kind, e.envelope
      FROM log l
     CROSS JOIN LATERAL (SELECT * FROM public_events(l.events) WHERE sequence > after) e
     WHERE l.aggregate = auction
       AND l.first_seq >= (SELECT coalesce(max(first_seq), 0) FROM log WHERE aggregate = auction AND first_seq <= after)
     ORDER BY l.first_seq, e.sequence
     LIMIT most
$$;

CREATE FUNCTION public_events_before(auction uuid, before bigint, most int)
RETURNS TABLE (sequence bigint, previous_public_sequence bigint, event_type text, envelope bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = bids, pg_temp AS $$
    SELECT e.sequence, e.previous, e.kind, e.envelope
      FROM log l
     CROSS JOIN LATERAL (SELECT * FROM public_events(l.events) WHERE sequence < before) e
     WHERE l.aggregate = auction AND l.first_seq < before
     ORDER BY l.first_seq DESC, e.sequence DESC
     LIMIT most
$$;

-- The events by which bids of an auction went.
CREATE FUNCTION withdrawals(auction uuid)
RETURNS TABLE (sequence bigint, envelope bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = bids, pg_temp AS $$
    SELECT e.sequence, e.envelope
      FROM log l
     CROSS JOIN LATERAL public_events(l.events) e
     WHERE l.aggregate = auction AND l.command_type IN ('RetractBid', 'BlockBidder') AND e.kind = 'BidRetracted'
$$;

-- Which auctions a person bids on; by auction, who bids there (a pseudonym is looked up among these).
CREATE VIEW my_bid_view AS
SELECT p.bidder_id, p.auction_id, p.last_bid_at, coalesce(a.leader_id = p.bidder_id, false) AS is_leading
  FROM participation p
  JOIN auction a ON a.id = p.auction_id;

-- What became of a command; `reply` is what its sender was or would have been answered.
CREATE VIEW command_view AS
SELECT l.command_id, l.command_type, l.aggregate, l.actor, said.reply ->> 'outcome' AS outcome,
       said.reply ->> 'code' AS code, l.reply, l.at_ms
  FROM log l
 CROSS JOIN LATERAL (SELECT convert_from(l.reply, 'UTF8')::json AS reply) said;

-- Auctions whose end is still to be told; read by the clock in the order of their ends.
CREATE VIEW due AS
SELECT id AS auction_id, ends_at FROM auction WHERE status = 'open';

GRANT USAGE ON SCHEMA bids TO edge, clock;
GRANT SELECT ON auction_view, public_event_view, my_bid_view, command_view TO edge;
GRANT SELECT ON due TO clock;
REVOKE ALL ON FUNCTION public_events_after(uuid, bigint, int), public_events_before(uuid, bigint, int), withdrawals(uuid)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public_events_after(uuid, bigint, int), public_events_before(uuid, bigint, int), withdrawals(uuid)
   TO edge;
