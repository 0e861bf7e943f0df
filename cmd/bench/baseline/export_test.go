package baseline

// RiverIndexes is the SQL that gives river_job River's own indexes.
var RiverIndexes = riverIndexes
