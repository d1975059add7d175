# The tests once more under tools that see what a passing test does not: the same objects with the library built with
# AddressSanitizer and UndefinedBehaviorSanitizer (kernels are not), and some of them under valgrind.
include(CheckCSourceCompiles)
set(sanitizers -fsanitize=address,undefined)
set(CMAKE_REQUIRED_FLAGS ${sanitizers})
check_c_source_compiles("#include <sanitizer/common_interface_defs.h>\nint main(void) { return 0; }" HD_HAVE_SANITIZERS)
unset(CMAKE_REQUIRED_FLAGS)

# The test name as a variant's program: what is said of it (environment, expected output) holds here too.
function(robust_test variant name)
  get_test_property(cusim-${name} ENVIRONMENT environment)
  get_test_property(cusim-${name} PASS_REGULAR_EXPRESSION expected)
  exec_test(${variant}_${name} ${ARGN})
  if(environment)
    set_property(TEST cusim-${variant}_${name} PROPERTY ENVIRONMENT ${environment})
  endif()
  if(expected)
    set_property(TEST cusim-${variant}_${name} PROPERTY PASS_REGULAR_EXPRESSION ${expected})
    set_property(TEST cusim-${variant}_${name} PROPERTY FAIL_REGULAR_EXPRESSION "Sanitizer;runtime error")
  endif()
endfunction()

if(HD_HAVE_SANITIZERS)
  variant_library(sanitized)
  target_compile_options(cusim-sanitized PRIVATE -O1 -g ${sanitizers} -fno-sanitize-recover=undefined)
  target_link_options(cusim-sanitized PUBLIC ${sanitizers})
  foreach(name exec_basic exec_warps exec_atomics exec_launch exec_errors exec_cublas exec_devices exec_groups exec_half
               exec_assert exec_children exec_cooperative exec_graphs exec_mma exec_nccl exec_random exec_symbols engine_spin ${timed})
    variant_program(sanitized ${name})
    robust_test(sanitized ${name} cusim-sanitized_${name})
  endforeach()
  variant_program(sanitized engine_faults)
  foreach(how wild null stack frame divide trap)
    exec_test(sanitized_fault_${how} cusim-sanitized_engine_faults ${how})
  endforeach()
  variant_program(sanitized check_report)
  exec_test(sanitized_check_report sh ${here}/check_report.sh $<TARGET_FILE:cusim-sanitized_check_report>)
endif()

# Valgrind knows no AVX-512, so these programs are compiled without, and the library is the portable one.
if(HD_VALGRIND)
  foreach(name exec_basic exec_warps exec_errors exec_graphs)
    exec_program(valgrind-${name} ${name}.cu)
    set_target_properties(cusim-valgrind-${name} PROPERTIES CUSIM_OPTIONS "-Xcompiler;-march=x86-64-v3")
    variant_program(portable valgrind-${name})
    robust_test(valgrind ${name} ${HD_VALGRIND} -q --error-exitcode=9 --suppressions=${here}/valgrind.supp
                $<TARGET_FILE:cusim-portable_valgrind-${name}>)
  endforeach()
endif()
