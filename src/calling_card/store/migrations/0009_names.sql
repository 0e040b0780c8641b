-- Walks over all clients go by their keys. Only operators list them by name, and that looks at all of them; an entry for each was written
-- with every registration, on a page of its own.
DROP INDEX clients_name;
