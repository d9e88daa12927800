"""Rules of DAX that need nothing but values: names, node types, parameters, caches."""
