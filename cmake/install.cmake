# What `cmake --install` puts into a prefix: headers, a CMake package, files for pkg-config, the licence; nothing else.
include(CMakePackageConfigHelpers)

set(equipoise_targets equipoise)
set(equipoise_modules equipoise equipoise-eigen)
if(TARGET equipoise_compiled)
  list(APPEND equipoise_targets equipoise_compiled)
  list(APPEND equipoise_modules equipoise-compiled)
  set(equipoise_architectures)
  set(equipoise_pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
else()
  # Headers fit every architecture.
  set(equipoise_architectures ARCH_INDEPENDENT)
  set(equipoise_pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
endif()

set(equipoise_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/equipoise)
install(
  DIRECTORY include/equipoise
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING
  PATTERN "*.h")
install(TARGETS ${equipoise_targets} EXPORT equipoise-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT equipoise-targets NAMESPACE equipoise:: DESTINATION ${equipoise_package_dir})
configure_package_config_file(cmake/equipoise-config.cmake.in equipoise-config.cmake
                              INSTALL_DESTINATION ${equipoise_package_dir})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(equipoise-config-version.cmake
                                 COMPATIBILITY SameMinorVersion ${equipoise_architectures})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/equipoise-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/equipoise-config-version.cmake
              cmake/equipoise-backends.cmake
        DESTINATION ${equipoise_package_dir})

# Their prefix is relative to where they lie, so that the tree can be moved.
file(RELATIVE_PATH equipoise_to_prefix ${CMAKE_INSTALL_PREFIX}/${equipoise_pkgconfig_dir} ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" equipoise_to_prefix "${equipoise_to_prefix}")
foreach(module IN LISTS equipoise_modules)
  configure_file(cmake/${module}.pc.in ${module}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${module}.pc DESTINATION ${equipoise_pkgconfig_dir})
endforeach()

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/equipoise)
