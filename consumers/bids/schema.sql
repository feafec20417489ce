-- What bids owns beside the runtime's log. Amounts in minor units of the auction's currency.

-- One row per auction, written whole by each batch that changes it: nothing here that bids do not change.
CREATE TABLE IF NOT EXISTS auction (
    id                uuid PRIMARY KEY,
    status            text        NOT NULL, -- draft, discarded, open, ended, cancelled
    outcome           text,                 -- of an ended one: sold, sold_buy_now, reserve_not_met, no_bids, cancelled
    ends_at           timestamptz,          -- NULL in a draft without a start
    price             bigint,               -- NULL without bids
    leader_id         uuid,
    minimum_next      bigint      NOT NULL,
    bid_count         int         NOT NULL,
    reserve_met       boolean,              -- NULL without a reserve
    buy_now_available boolean     NOT NULL,
    seq               bigint      NOT NULL,
    public_seq        bigint      NOT NULL,
    state             bytea       NOT NULL  -- consumers.bids.auction.snapshot: all that the rules need, hidden parts too
) WITH (fillfactor = 50);                   -- room for the next version beside the old one, so that no index is touched
CREATE INDEX IF NOT EXISTS auction_end ON auction (ends_at, id);
CREATE INDEX IF NOT EXISTS auction_open ON auction (ends_at, id) WHERE status = 'open';

-- Commands by which bids may have gone: few, and looked for among all of an auction's.
CREATE INDEX IF NOT EXISTS log_withdrawals ON log (aggregate) WHERE command_type IN ('RetractBid', 'BlockBidder');

-- What is offered; written when that changes, never by a bid.
CREATE TABLE IF NOT EXISTS listing (
    auction_id     uuid PRIMARY KEY,
    seller_id      uuid        NOT NULL,
    title          text        NOT NULL,
    description    text        NOT NULL,
    category       text,
    tags           text[]      NOT NULL,
    video_id       uuid,
    shipping_info  jsonb       NOT NULL,
    currency       text        NOT NULL,
    starting_price bigint      NOT NULL,
    buy_now        bigint,
    starts_at      timestamptz,             -- NULL in a draft that starts when it is published
    duration_s     int         NOT NULL,
    closing        jsonb       NOT NULL,
    increments     text        NOT NULL,
    created_at     timestamptz NOT NULL
);
ALTER TABLE listing ADD COLUMN IF NOT EXISTS max_buyer_strikes int; -- NULL lets everybody bid
ALTER TABLE listing ADD COLUMN IF NOT EXISTS pay_window_s int;      -- NULL: as long as the platform says
CREATE INDEX IF NOT EXISTS listing_seller ON listing (seller_id, created_at DESC, auction_id);
-- Which auctions show a film, for the right to watch it.
CREATE INDEX IF NOT EXISTS listing_video ON listing (video_id) WHERE video_id IS NOT NULL;

-- Who bids where, for "my bids" and for finding the person behind a pseudonym of an auction.
CREATE TABLE IF NOT EXISTS participation (
    auction_id  uuid        NOT NULL,
    bidder_id   uuid        NOT NULL,
    last_bid_at timestamptz NOT NULL,       -- to the minute: most bids of a bidder write nothing here
    PRIMARY KEY (auction_id, bidder_id)
);
CREATE INDEX IF NOT EXISTS participation_bidder ON participation (bidder_id, last_bid_at DESC, auction_id);

-- What accounts told about people: who may not act now.
CREATE TABLE IF NOT EXISTS standing (
    user_id    uuid PRIMARY KEY,
    suspended  boolean     NOT NULL,
    sequence   bigint      NOT NULL,        -- of the user's event that said so
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS standing_changed ON standing (changed_at);

-- What payments told about people: who left which order unpaid.
CREATE TABLE IF NOT EXISTS strike (
    order_id     uuid PRIMARY KEY,
    buyer_id     uuid        NOT NULL,
    struck_at_ms bigint      NOT NULL,
    changed_at   timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE strike ADD COLUMN IF NOT EXISTS lifted boolean NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS strike_changed ON strike (changed_at);
-- What transcoding told about films: whose they are, and whether they can be shown.
CREATE TABLE IF NOT EXISTS film (
    video_id uuid   PRIMARY KEY,
    owner_id uuid   NOT NULL,
    status   text   NOT NULL CHECK (status IN ('coming', 'ready', 'failed', 'gone')),
    sequence bigint NOT NULL                -- of the film's event that said so
);
