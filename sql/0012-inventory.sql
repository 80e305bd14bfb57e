-- Version 12: what an inventory says of a medium (box, shelf, donor, …), as
-- [["Box", "7"], …] in the order of its columns; NULL is nothing.
ALTER TABLE medium ADD inventory jsonb;
