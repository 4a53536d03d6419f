# Makes of a static library one relocatable object in which nothing is global but the exported functions.
#
#   cmake -DARCHIVE=<in> -DOBJECT=<out> -DEXPORTS=<regular expression> -DLD= -DNM= -DOBJCOPY= -P object.cmake
#
# The object is replaced only if it changed, so that nothing is linked again without need.

function(run)
    execute_process(COMMAND ${ARGV} OUTPUT_VARIABLE output ERROR_VARIABLE error RESULT_VARIABLE failed)
    if(failed)
        message(FATAL_ERROR "${ARGV}\n${error}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

cmake_path(GET OBJECT PARENT_PATH directory)
file(MAKE_DIRECTORY ${directory})

# Rust's objects carry LLVM bitcode beside the machine code, at which binutils with an older LLVM plugin stumbles.
run(${OBJCOPY} --remove-section=.llvmbc --remove-section=.llvmcmd ${ARCHIVE} ${OBJECT}.a)

run(${NM} --extern-only --defined-only --format=posix ${OBJECT}.a)
string(REGEX MATCHALL "[^\n]+" symbols "${output}")
list(TRANSFORM symbols REPLACE " .*" "")
list(FILTER symbols INCLUDE REGEX "${EXPORTS}")
list(REMOVE_DUPLICATES symbols)
list(SORT symbols)
if(NOT symbols)
    message(FATAL_ERROR "${ARCHIVE} has no symbol that matches ${EXPORTS}")
endif()
list(TRANSFORM symbols PREPEND "--undefined=" OUTPUT_VARIABLE roots)
list(JOIN symbols "\n" symbols)
file(WRITE ${OBJECT}.symbols "${symbols}\n")

# Only what the exports reach. Section groups are dissolved: the linker keeps one group of each name in a program, and the
# one it keeps might be another Rust library's, while ours is referred to by symbols that are now local.
run(${LD} --relocatable --gc-sections --force-group-allocation ${roots} -o ${OBJECT}.all ${OBJECT}.a)
run(${OBJCOPY} --keep-global-symbols=${OBJECT}.symbols ${OBJECT}.all ${OBJECT}.new)
run(${CMAKE_COMMAND} -E copy_if_different ${OBJECT}.new ${OBJECT})
file(REMOVE ${OBJECT}.a ${OBJECT}.all ${OBJECT}.new)
