-- The shop of the example: made once, on first use.
CREATE TABLE products (
    sku TEXT PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL,
    stock INTEGER NOT NULL, description TEXT NOT NULL
);
CREATE TABLE orders (
    order_id TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL,
    carrier TEXT, shipped_on TEXT, expected_on TEXT, total_cents INTEGER NOT NULL
);
CREATE TABLE order_items (
    order_id TEXT NOT NULL REFERENCES orders, sku TEXT NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL, PRIMARY KEY (order_id, sku)
);
CREATE TABLE policies (topic TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE refunds (
    idempotency_key TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders,
    reason TEXT NOT NULL
);

INSERT INTO products VALUES
    ('SH-210', 'Trail Runner 2', 11900, 14, 'Light running shoe for trails, sizes 36 to 47.'),
    ('SH-220', 'City Walker', 8900, 0, 'Everyday leather shoe, resoleable. Back in two weeks.'),
    ('SH-230', 'Summit Boot', 18900, 6, 'Waterproof hiking boot with ankle support.'),
    ('JA-310', 'Rain Shell', 14900, 22, 'Packable rain jacket, 280 g, taped seams.'),
    ('JA-320', 'Down Vest', 12900, 3, 'Warm vest with recycled down filling.'),
    ('BP-410', 'Day Pack 22', 7900, 41, 'Backpack of 22 litres with a laptop sleeve.'),
    ('BP-420', 'Tour Pack 55', 21900, 5, 'Trekking backpack of 55 litres, adjustable back.'),
    ('AC-510', 'Steel Bottle', 2900, 120, 'Insulated bottle, 0.7 litres, dishwasher-safe.'),
    ('AC-520', 'Wool Socks', 1600, 250, 'Merino socks, two pairs, sizes 35 to 46.'),
    ('AC-530', 'Head Lamp', 4500, 0, 'Rechargeable lamp, 400 lumens. Back next month.');

INSERT INTO orders VALUES
    ('1038', 'ada', 'delivered', 'Northpost', '2026-01-05', '2026-01-08', 11900),
    ('1042', 'ada', 'shipped', 'Northpost', '2026-01-13', '2026-01-16', 17800),
    ('1043', 'ada', 'being packed', NULL, NULL, '2026-01-19', 2900),
    ('1057', 'bruno', 'shipped', 'Velo Express', '2026-01-12', '2026-01-15', 18900),
    ('1061', 'chen', 'waiting for stock', NULL, NULL, '2026-02-02', 8900),
    ('1066', 'dilara', 'delivered', 'Northpost', '2026-01-09', '2026-01-12', 22800),
    ('1070', 'emeka', 'returned', 'Velo Express', '2025-12-20', '2025-12-23', 12900),
    ('1075', 'freya', 'shipped', 'Northpost', '2026-01-14', '2026-01-17', 29800),
    ('1081', 'bruno', 'being packed', NULL, NULL, '2026-01-20', 4500);

INSERT INTO order_items VALUES
    ('1038', 'SH-210', 1), ('1042', 'JA-310', 1), ('1042', 'AC-510', 1), ('1043', 'AC-510', 1),
    ('1057', 'SH-230', 1), ('1061', 'SH-220', 1), ('1066', 'BP-410', 1), ('1066', 'JA-310', 1),
    ('1070', 'JA-320', 1), ('1075', 'JA-310', 2), ('1081', 'AC-530', 1);

INSERT INTO policies VALUES
    ('return', 'Anything unworn can come back within 30 days; the label is in the box.'),
    ('refund', 'Refunds go to the original means of payment within 5 working days of the return.'),
    ('exchange', 'Sizes are exchanged free of charge within 30 days.'),
    ('warranty', 'Seams, soles and zips have a warranty of 3 years; wear is not covered.'),
    ('delivery', 'Standard delivery takes 2 to 4 working days and is free from 50 euros.'),
    ('payment', 'Cards, SEPA debit and invoice; card numbers are never asked for in a chat.');
