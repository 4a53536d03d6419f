# A library in the tree of another project leaves that project's settings alone.

set(settings CMAKE_C_FLAGS CMAKE_CXX_FLAGS CMAKE_C_STANDARD CMAKE_CXX_STANDARD CMAKE_BUILD_TYPE CMAKE_POSITION_INDEPENDENT_CODE
    CMAKE_RUNTIME_OUTPUT_DIRECTORY CMAKE_LIBRARY_OUTPUT_DIRECTORY CMAKE_ARCHIVE_OUTPUT_DIRECTORY BUILD_SHARED_LIBS BUILD_TESTING)

macro(remember_settings)
    foreach(setting IN LISTS settings)
        set(before_${setting} "${${setting}}")
    endforeach()
    get_cmake_property(before_cache CACHE_VARIABLES)
    get_directory_property(before_options COMPILE_OPTIONS)
endmacro()

macro(check_settings)
    foreach(setting IN LISTS settings)
        if(NOT "${before_${setting}}" STREQUAL "${${setting}}")
            message(FATAL_ERROR "${setting} was '${before_${setting}}' and is now '${${setting}}'")
        endif()
    endforeach()
    get_cmake_property(after_cache CACHE_VARIABLES)
    list(REMOVE_ITEM after_cache ${before_cache})
    # CMake itself writes <project>_* and CMAKE_PROJECT_VERSION* for every project.
    list(FILTER after_cache EXCLUDE REGEX "^(SV2_|sv2_|CMAKE_PROJECT_VERSION)")
    get_directory_property(after_options COMPILE_OPTIONS)
    if(after_cache OR NOT "${before_options}" STREQUAL "${after_options}")
        message(FATAL_ERROR "new in the cache: ${after_cache}; compile options: ${after_options}")
    endif()
    get_property(tests DIRECTORY ${SV2_SOURCE} PROPERTY TESTS)
    if(tests)
        message(FATAL_ERROR "the library's own tests are among the project's: ${tests}")
    endif()
endmacro()
