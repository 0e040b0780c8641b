"""The store on PostgreSQL; imported only where the settings name one."""
