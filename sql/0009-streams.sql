-- Version 9: named streams of images are looked for.

-- When ntt-streams had been through all volumes of the medium that have them.
ALTER TABLE medium ADD streams_done timestamptz;
