-- What the edge reads of indexing, with every search. A view is dropped first because replacing one cannot take columns away.

DROP VIEW IF EXISTS hidden_view;

-- Bounded, since every question names them: whoever is not among the latest has long been hidden in the index.
CREATE VIEW hidden_view AS
    SELECT user_id FROM hidden ORDER BY since DESC LIMIT 2000;

GRANT USAGE ON SCHEMA indexing TO edge;
GRANT SELECT ON hidden_view TO edge;
