# What `cmake --install` puts where, and the files by which find_package and pkg-config find it again. Nothing installed names
# the prefix, so that it can be moved.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(kind IN ITEMS static shared)
    target_include_directories(sv2_${kind} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
install(TARGETS sv2_static sv2_shared EXPORT sv2-targets)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "sv2*.h" PATTERN "sv2*.hpp")

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/sv2)
install(EXPORT sv2-targets NAMESPACE sv2:: DESTINATION ${package_directory})
configure_package_config_file(cmake/sv2-config.cmake.in sv2-config.cmake INSTALL_DESTINATION ${package_directory}
    NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(sv2-config-version.cmake COMPATIBILITY ${sv2_compatibility})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sv2-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/sv2-config-version.cmake
    DESTINATION ${package_directory})

# From lib/pkgconfig up to the prefix. Directories that were configured as absolute paths stay where they are.
set(pkgconfig_directory ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
    set(pkgconfig_prefix ${CMAKE_INSTALL_PREFIX})
else()
    string(REGEX REPLACE "[^/]+" ".." up ${pkgconfig_directory})
    set(pkgconfig_prefix "\${pcfiledir}/${up}")
endif()
foreach(directory IN ITEMS LIBDIR INCLUDEDIR)
    set(pkgconfig_${directory} ${CMAKE_INSTALL_${directory}})
    if(NOT IS_ABSOLUTE ${pkgconfig_${directory}})
        string(PREPEND pkgconfig_${directory} "\${prefix}/")
    endif()
endforeach()
list(JOIN sv2_native_libraries " " pkgconfig_libs_private)
set(pkgconfig_definitions "")
if(SV2_NODE_IPC)
    set(pkgconfig_definitions " -DSV2_WITH_NODE_IPC")
endif()
configure_file(cmake/sv2.pc.in sv2.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sv2.pc DESTINATION ${pkgconfig_directory})
