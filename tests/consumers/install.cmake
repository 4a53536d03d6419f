# Installs the library twice, and moves the second away from where it was installed.
#
#   cmake -DBUILD=<build tree> -DCONFIG=<configuration> -DPREFIX=<directory> -DMOVED=<directory> -P install.cmake

file(REMOVE_RECURSE ${PREFIX} ${MOVED})
foreach(prefix IN ITEMS ${PREFIX} ${PREFIX}-to-move)
    execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --config "${CONFIG}" --prefix ${prefix}
        COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(RENAME ${PREFIX}-to-move ${MOVED})
