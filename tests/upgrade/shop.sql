-- A shop of two tastes: 40 items, 60 users who buy from one half of them over 150 days that end on 2026-11-20,
-- a few other events, and vectors of two directions, so that nothing has to be encoded.
insert into items (item_id, kind, title, category, price, rating, rating_count, change_seq, created_at, updated_at)
select 'ITEM' || lpad(n::text, 6, '0'), 'product',
    case when n < 20 then 'red lamp number ' else 'blue chair number ' end || n, 'home', 1 + n, 4, 10, 1,
    '2026-06-01Z', '2026-06-01Z'
from generate_series(0, 39) n;
insert into embeddings (item_id, model, dimension, text_hash, vector, updated_at)
select item_id, 'all-MiniLM-L6-v2', 384, text_hash,
    decode(case when title like 'red%' then '0000803f00000000' else '000000000000803f' end
        || repeat('00000000', 382), 'hex'), '2026-06-01Z'
from items;
insert into users (user_id, interests, skill_level, created_at, updated_at)
select 'user' || u, array['home'], 'beginner', '2026-06-01Z', '2026-06-01Z' from generate_series(0, 59) u;
insert into interactions (user_id, item_id, event_type, value, session_id, occurred_at, recorded_at, source)
select 'user' || u, 'ITEM' || lpad((u % 2 * 20 + (u * 7 + b * 3 + line * 5) % 20)::text, 6, '0'),
    'purchase', 1, 'basket-' || u || '-' || b, moment, moment, 'shop'
from generate_series(0, 59) u, generate_series(0, 9) b, generate_series(0, 2) line,
    lateral (select timestamptz '2026-11-20Z' - make_interval(days => 150 - b * 15 + u % 10) as moment) at;
insert into interactions (user_id, item_id, event_type, value, occurred_at, recorded_at, source)
select 'user' || u, 'ITEM' || lpad((u % 2 * 20 + u % 20)::text, 6, '0'), event, value, moment, moment, 'service'
from generate_series(0, 59, 7) u, (values ('like', null), ('rating', 5), ('click', null), ('skip', null)) e (event, value),
    lateral (select timestamptz '2026-11-19Z' + make_interval(hours => u % 20) as moment) at;
select ensure_interaction_partitions('2026-06-01Z', '2026-11-30Z');
insert into interactions (user_id, item_id, event_type, value, occurred_at, recorded_at, source)
values ('user3', 'ITEM000025', 'purchase', 1, '2025-12-24Z', '2026-06-01Z', 'shop'); -- stays in the default partition
update change_state set catalogue_seq = 1;
