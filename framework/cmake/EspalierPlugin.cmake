# espalier_add_conformance_test(NAME TARGET): the test plugin.NAME, which holds a plugin library to the laws of its kind.
# A folder `example` beside the sources (settings.json and small files) is what its readers are tried on.
function(espalier_add_conformance_test name target)
  if(TARGET espalier::conformance AND NOT (DEFINED ESPALIER_BUILD_TESTS AND NOT ESPALIER_BUILD_TESTS))
    set(example "${CMAKE_CURRENT_SOURCE_DIR}/example")
    if(NOT IS_DIRECTORY "${example}")
      set(example "")
    endif()
    add_test(NAME plugin.${name} COMMAND "$<TARGET_FILE:espalier::conformance>" "$<TARGET_FILE:${target}>" ${example})
    set_tests_properties(plugin.${name} PROPERTIES TIMEOUT 300)
  endif()
endfunction()

# espalier_add_plugin(NAME sources... [LIBRARIES ...]): a plugin library and its conformance test. In the source tree and
# for find_package(espalier) alike.
function(espalier_add_plugin name)
  cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
  set(target plugin_${name})
  add_library(${target} MODULE ${arg_UNPARSED_ARGUMENTS})
  set(version_script "${CMAKE_CURRENT_BINARY_DIR}/${target}.map")
  # Nothing but the one symbol leaves a plugin: weak symbols of two plugins never meet.
  file(WRITE "${version_script}" "{ global: espalier_plugin; local: *; };\n")
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name} CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib/espalier/plugins"
    INSTALL_RPATH "$ORIGIN/../.." LINK_DEPENDS "${version_script}")
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_link_libraries(${target} PRIVATE espalier::espalier ${arg_LIBRARIES})
  if(TARGET espalier::options)
    target_link_libraries(${target} PRIVATE espalier::options)
  endif()
  if(COMMAND espalier_precompile)
    espalier_precompile(${target})
  endif()
  target_link_options(${target} PRIVATE -Wl,-z,defs "-Wl,--version-script=${version_script}")
  install(TARGETS ${target} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/espalier/plugins")
  espalier_add_conformance_test(${name} ${target})
endfunction()
