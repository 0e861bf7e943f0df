DROP TABLE operator_actions;
DROP FUNCTION refuse_change;
