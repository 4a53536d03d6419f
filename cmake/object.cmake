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

# symbols(<variable> <option> <file>): the names of its global symbols, defined or undefined.
function(symbols variable option file)
    run(${NM} --extern-only --format=posix ${option} ${file})
    string(REGEX MATCHALL "[^\n]+" lines "${output}")
    list(FILTER lines INCLUDE REGEX " ")
    list(TRANSFORM lines REPLACE " .*" "")
    list(REMOVE_DUPLICATES lines)
    set(${variable} ${lines} PARENT_SCOPE)
endfunction()

function(write_list file items)
    list(JOIN items "\n" lines)
    file(WRITE ${file} "${lines}\n")
endfunction()

cmake_path(GET OBJECT PARENT_PATH directory)
file(MAKE_DIRECTORY ${directory})

# Rust's objects carry LLVM bitcode beside the machine code, at which binutils with an older LLVM plugin stumbles.
run(${OBJCOPY} --remove-section=.llvmbc --remove-section=.llvmcmd ${ARCHIVE} ${OBJECT}.a)

symbols(exported --defined-only ${OBJECT}.a)
list(FILTER exported INCLUDE REGEX "${EXPORTS}")
if(NOT exported)
    message(FATAL_ERROR "${ARCHIVE} has no symbol that matches ${EXPORTS}")
endif()
list(TRANSFORM exported PREPEND "--undefined=" OUTPUT_VARIABLE roots)
write_list(${OBJECT}.exported "${exported}")

# Only what the exports reach. Section groups are dissolved: the linker keeps one group of each name in a program, and the
# one it keeps might be another Rust library's, while ours is referred to by symbols that are now local.
run(${LD} --relocatable --gc-sections --force-group-allocation ${roots} -o ${OBJECT}.all ${OBJECT}.a)

# What only the discarded sections referred to is still listed as undefined, and no longer as weak where it was: it could not be
# resolved in a program whose other objects may do without it.
symbols(undefined --undefined-only ${OBJECT}.all)
run(${OBJCOPY} --strip-unneeded ${OBJECT}.all ${OBJECT}.needed)
symbols(needed --undefined-only ${OBJECT}.needed)
list(REMOVE_ITEM undefined ${needed})
write_list(${OBJECT}.unneeded "${undefined}")

run(${OBJCOPY} --keep-global-symbols=${OBJECT}.exported --strip-symbols=${OBJECT}.unneeded ${OBJECT}.all ${OBJECT}.new)
run(${CMAKE_COMMAND} -E copy_if_different ${OBJECT}.new ${OBJECT})
file(REMOVE ${OBJECT}.a ${OBJECT}.all ${OBJECT}.needed ${OBJECT}.new ${OBJECT}.exported ${OBJECT}.unneeded)
