-- The ninth step of SQLite: walks over all clients go by their keys.
DROP INDEX clients_name;
