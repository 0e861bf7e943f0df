DROP VIEW snapshot_holders;
