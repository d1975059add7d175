# Tests of CUSIM_CHECK beside the corpus of tests/check: the report itself, and no accusation of any lesson.
exec_program(check_report check_report.cu)
exec_test(check_report sh ${here}/check_report.sh $<TARGET_FILE:cusim-check_report>)

# Every lesson with a GPU variant, at a small size, under the checker.
exec_test(check_lessons sh ${here}/check_lessons.sh ${CMAKE_BINARY_DIR}/lessons)
set_tests_properties(cusim-check_lessons PROPERTIES TIMEOUT 300 COST 50)  # the longest one starts first
