"""Everything that meets the outside: API, pages, command line, identity, reports, servers."""
