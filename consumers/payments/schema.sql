-- What payments keeps. Amounts are hundredths of the currency, `_ms` milliseconds since 1970, sealed texts as schemas/sealed.py writes them.

-- `state` is the whole order; what stands beside it is looked up by.
CREATE TABLE IF NOT EXISTS orders (
    id           uuid   PRIMARY KEY,
    auction_id   uuid   NOT NULL,
    offer_number int    NOT NULL,
    payment_id   uuid   NOT NULL UNIQUE,
    buyer_id     uuid   NOT NULL,
    seller_id    uuid   NOT NULL,
    status       text   NOT NULL,
    intent_id    text,
    charge_id    text,
    held         text,
    created_ms   bigint NOT NULL,
    sequence     bigint NOT NULL,
    state        jsonb  NOT NULL
) WITH (fillfactor = 70);
-- One order per sale, and each person is offered a thing once.
CREATE UNIQUE INDEX IF NOT EXISTS orders_offer ON orders (auction_id, offer_number);
CREATE UNIQUE INDEX IF NOT EXISTS orders_bidder ON orders (auction_id, buyer_id);
CREATE INDEX IF NOT EXISTS orders_buyer ON orders (buyer_id, created_ms DESC, id DESC);
CREATE INDEX IF NOT EXISTS orders_seller ON orders (seller_id, created_ms DESC, id DESC);
CREATE INDEX IF NOT EXISTS orders_intent ON orders (intent_id) WHERE intent_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_charge ON orders (charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_held ON orders (seller_id) WHERE held IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_to_look_at ON orders (created_ms)
    WHERE intent_id IS NOT NULL AND status IN ('awaiting_payment', 'paid');

CREATE TABLE IF NOT EXISTS person (
    id          uuid   PRIMARY KEY,
    account_id  text,
    customer_id text,
    sequence    bigint NOT NULL,
    state       jsonb  NOT NULL
);
CREATE INDEX IF NOT EXISTS person_account ON person (account_id) WHERE account_id IS NOT NULL;

-- What is known of auctions, from auction-events.
CREATE TABLE IF NOT EXISTS auction (
    id           uuid PRIMARY KEY,
    seller_id    uuid NOT NULL,
    title        text NOT NULL,
    currency     text NOT NULL,
    shipping     bigint NOT NULL DEFAULT 0,
    pay_window_s int,
    winner_id    uuid, -- these two when it sold
    price        bigint
);
CREATE TABLE IF NOT EXISTS highest_bid (
    auction_id uuid   NOT NULL,
    bidder_id  uuid   NOT NULL,
    amount     bigint NOT NULL,
    PRIMARY KEY (auction_id, bidder_id)
) WITH (fillfactor = 70);

-- What a job left for whoever waits: a client secret, a link. Sealed; or why there will be none.
CREATE TABLE IF NOT EXISTS secret (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('intent', 'setup', 'onboarding')),
    sealed          text,
    failure_code    text,
    failure_message text,
    expires_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- Every event that the provider told, once, of whatever type.
CREATE TABLE IF NOT EXISTS provider_event (
    id          text PRIMARY KEY,
    type        text NOT NULL,
    object_id   text,
    order_id    uuid,
    account     text,
    created_at  timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS provider_event_created ON provider_event (created_at);

-- The audit trail of calls: each attempt of each job at the provider, and what it answered.
CREATE TABLE IF NOT EXISTS provider_call (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id   uuid NOT NULL,
    attempt  int  NOT NULL,
    errand   text NOT NULL,
    order_id uuid,
    outcome  text NOT NULL,
    took_ms  int  NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS provider_call_order ON provider_call (order_id) WHERE order_id IS NOT NULL;

-- What sellers owe: payouts that could not be taken back, and which later payouts were cut for it. The place in the row of
-- recoveries is taken once, so that two payouts at a time cannot both recover the same debt.
CREATE TABLE IF NOT EXISTS debt (
    reversal_id uuid   PRIMARY KEY,
    seller_id   uuid   NOT NULL,
    currency    text   NOT NULL,
    amount      bigint NOT NULL CHECK (amount > 0)
);
CREATE INDEX IF NOT EXISTS debt_seller ON debt (seller_id, currency);
CREATE TABLE IF NOT EXISTS recovery (
    seller_id uuid   NOT NULL,
    currency  text   NOT NULL,
    place     int    NOT NULL,
    payout_id uuid   NOT NULL UNIQUE,
    amount    bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (seller_id, currency, place)
);

CREATE TABLE IF NOT EXISTS invoice (
    order_id  uuid NOT NULL,
    party     text NOT NULL CHECK (party IN ('buyer', 'seller')),
    number    text NOT NULL UNIQUE,
    issued_ms bigint NOT NULL,
    document  jsonb NOT NULL,
    pdf       bytea NOT NULL,
    PRIMARY KEY (order_id, party)
);

-- The ledger: entries and postings are added, never changed; an entry whose postings do not sum to zero is not committed.
CREATE TABLE IF NOT EXISTS ledger_entry (
    entry_id uuid   PRIMARY KEY,
    kind     text   NOT NULL,
    order_id uuid   NOT NULL,
    currency text   NOT NULL,
    ref      text,
    at_ms    bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_entry_order ON ledger_entry (order_id);
CREATE INDEX IF NOT EXISTS ledger_entry_ref ON ledger_entry (ref);
CREATE INDEX IF NOT EXISTS ledger_entry_at ON ledger_entry (at_ms);
CREATE TABLE IF NOT EXISTS ledger_posting (
    entry_id uuid   NOT NULL REFERENCES ledger_entry,
    place    int    NOT NULL,
    account  text   NOT NULL
             CHECK (account IN ('provider', 'seller', 'commission', 'tax', 'provider_fees', 'contested')),
    owner    uuid   CHECK ((owner IS NOT NULL) = (account = 'seller')),
    amount   bigint NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (entry_id, place)
);
CREATE INDEX IF NOT EXISTS ledger_posting_owner ON ledger_posting (owner) WHERE owner IS NOT NULL;

CREATE OR REPLACE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    total bigint;
BEGIN
    SELECT sum(amount) INTO total FROM ledger_posting WHERE entry_id = NEW.entry_id;
    IF total IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'ledger entry % does not balance: %', NEW.entry_id, coalesce(total::text, 'no postings')
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION ledger_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only added to' USING ERRCODE = 'integrity_constraint_violation';
END $$;

DROP TRIGGER IF EXISTS balances ON ledger_posting;
CREATE CONSTRAINT TRIGGER balances AFTER INSERT ON ledger_posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
DROP TRIGGER IF EXISTS balances ON ledger_entry;
CREATE CONSTRAINT TRIGGER balances AFTER INSERT ON ledger_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
DROP TRIGGER IF EXISTS immutable ON ledger_posting;
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_posting
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_immutable();
DROP TRIGGER IF EXISTS immutable ON ledger_entry;
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_immutable();

-- Each day's comparison with the provider's own book; a day may be compared again.
CREATE TABLE IF NOT EXISTS reconciliation (
    day         date PRIMARY KEY,
    compared_at timestamptz NOT NULL DEFAULT now(),
    movements   int  NOT NULL,
    differences jsonb NOT NULL
);
