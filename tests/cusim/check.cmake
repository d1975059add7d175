# Tests of CUSIM_CHECK beside the corpus of tests/check: the report itself, and no accusation of any lesson.
exec_program(check_report check_report.cu)
exec_test(check_report sh ${here}/check_report.sh $<TARGET_FILE:cusim-check_report>)

# A lesson at a small size under the checker: nothing is found. (Its results are tested without.)
function(check_lesson lesson)
  add_test(NAME cusim-check_lesson_${lesson} COMMAND lesson-${lesson} --verify --data synthetic ${ARGN})
  set_tests_properties(cusim-check_lesson_${lesson} PROPERTIES TIMEOUT 120 LABELS cusim ENVIRONMENT CUSIM_CHECK=1
                       PASS_REGULAR_EXPRESSION "cusim-check: 0 problems")
endfunction()
check_lesson(09-transpose --size 70)
check_lesson(12-gemm-gpu --size 70)
check_lesson(22-data-parallel --size 64 --devices 2 --variant gpu-all-reduce)
