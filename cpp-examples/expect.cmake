# Runs a program and looks at what it does.
#
#     cmake -DSTATUS=<exit status> -DSAYS=<text>[;<text>...] -P expect.cmake -- <program> <argument>...
#
# The program must end with that status, and everything it prints must contain every text.
set(command "")
set(after FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
    if(after)
        list(APPEND command "${CMAKE_ARGV${i}}")
    elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
        set(after TRUE)
    endif()
endforeach()

execute_process(COMMAND ${command} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
message("${output}")
if(NOT status STREQUAL STATUS)
    message(FATAL_ERROR "exit status ${status} instead of ${STATUS}")
endif()
foreach(text IN LISTS SAYS)
    string(FIND "${output}" "${text}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "it does not say: ${text}")
    endif()
endforeach()
