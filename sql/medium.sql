-- For psql, before a file with statements on one medium:
--	\set medium HASH
--	\i sql/medium.sql
\set inode inode_p_:medium
\set path path_p_:medium
