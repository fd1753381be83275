# Runs the port's portfile without vcpkg, as far as that goes:
#
#   cmake -DPORT_DIR=DIR -DPACKAGES_DIR=DIR -DBUILD_DIR=DIR [-DFEATURES=compiled] -P run_port.cmake
#
# The commands of vcpkg that it calls are stood in for by the least that they promise; what it then leaves in PACKAGES_DIR
# has to pass the checks that vcpkg makes of every port.
cmake_minimum_required(VERSION 3.16)

set(PORT equipoise)
set(CURRENT_PORT_DIR ${PORT_DIR})
set(CURRENT_PACKAGES_DIR ${PACKAGES_DIR})

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${output}")
  endif()
endfunction()

function(vcpkg_check_features)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" OUT_FEATURE_OPTIONS FEATURES)
  set(options)
  while(arg_FEATURES)
    list(POP_FRONT arg_FEATURES feature option)
    if(feature IN_LIST FEATURES)
      list(APPEND options -D${option}=ON)
    else()
      list(APPEND options -D${option}=OFF)
    endif()
  endwhile()
  set(${arg_OUT_FEATURE_OPTIONS} ${options} PARENT_SCOPE)
endfunction()

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" SOURCE_PATH OPTIONS)
  run(${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${BUILD_DIR} -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}
      -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_BUILD_TYPE=Release ${arg_OPTIONS})
endfunction()

function(vcpkg_cmake_install)
  run(${CMAKE_COMMAND} --build ${BUILD_DIR})
  run(${CMAKE_COMMAND} --install ${BUILD_DIR})
endfunction()

# vcpkg's own also sets the prefix of the targets anew, as the files lie one folder less deep after this.
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" CONFIG_PATH "")
  file(COPY ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/ DESTINATION ${CURRENT_PACKAGES_DIR}/share/${PORT})
  file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/lib/cmake)
endfunction()

function(vcpkg_fixup_pkgconfig)
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" FILE_LIST)
  configure_file(${arg_FILE_LIST} ${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright COPYONLY)
endfunction()

file(REAL_PATH ${PORT_DIR}/portfile.cmake portfile)
include(${portfile})

file(GLOB_RECURSE installed RELATIVE ${PACKAGES_DIR} ${PACKAGES_DIR}/*)
set(share share/${PORT})
foreach(file include/equipoise/equipoise.h ${share}/copyright ${share}/usage ${share}/equipoise-config.cmake
             ${share}/equipoise-backends.cmake)
  if(NOT file IN_LIST installed)
    message(FATAL_ERROR "${file} is missing")
  endif()
endforeach()
foreach(file IN LISTS installed)
  if(NOT file MATCHES "^(include/equipoise/.*[.]h|lib/libequipoise[.]a|(lib|share)/pkgconfig/equipoise.*[.]pc|${share}/[a-z-]+([.]cmake)?)$")
    message(FATAL_ERROR "${file} does not belong into a package")
  endif()
endforeach()
file(GLOB_RECURSE all LIST_DIRECTORIES true ${PACKAGES_DIR}/*)
foreach(entry IN LISTS all)
  file(GLOB content ${entry}/*)
  if(IS_DIRECTORY ${entry} AND NOT content)
    message(FATAL_ERROR "${entry} is empty")
  endif()
endforeach()
