# Writes the short git revision (with -dirty) to OUT, touching the file only when it changed.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=10
                OUTPUT_VARIABLE revision ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT revision AND NOT "$ENV{HEDDLE_REVISION}" STREQUAL "")
  set(revision $ENV{HEDDLE_REVISION})  # a copy without its history
elseif(NOT revision)
  set(revision unknown)
endif()
file(WRITE ${OUT}.new "#define HD_REVISION \"${revision}\"\n")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}.new ${OUT})
