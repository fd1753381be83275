# equipoise_find_backends(eigen libtorch) looks for the libraries of the backends that it names, and defines
# equipoise::eigen and equipoise::libtorch for those that are there. For the others equipoise_NOT_FOUND_MESSAGE says what
# to do. A macro, as what find_package() sets is wanted where this is called.
macro(equipoise_find_backends)
  # Targets found within a subdirectory are then seen by the project around it, from CMake 3.24 on.
  set(equipoise_saved_global "${CMAKE_FIND_PACKAGE_TARGETS_GLOBAL}")
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  set(equipoise_NOT_FOUND_MESSAGE "")

  foreach(equipoise_backend ${ARGN})
    if(TARGET equipoise::${equipoise_backend})
      # Found before.
    elseif("${equipoise_backend}" STREQUAL "eigen")
      if(NOT TARGET Eigen3::Eigen)
        find_package(Eigen3 3.4 QUIET NO_MODULE)
      endif()
      if(TARGET Eigen3::Eigen)
        add_library(equipoise::eigen INTERFACE IMPORTED GLOBAL)
        target_link_libraries(equipoise::eigen INTERFACE equipoise::equipoise Eigen3::Eigen)
      else()
        string(APPEND equipoise_NOT_FOUND_MESSAGE
               "Eigen 3.4 was not found: install it (Debian: libeigen3-dev) or add the directory that it is installed in "
               "to CMAKE_PREFIX_PATH. ")
      endif()
    elseif("${equipoise_backend}" STREQUAL "libtorch")
      if(NOT TARGET torch)
        find_package(Torch QUIET)
      endif()
      if(TARGET torch)
        add_library(equipoise::libtorch INTERFACE IMPORTED GLOBAL)
        target_link_libraries(equipoise::libtorch INTERFACE equipoise::equipoise ${TORCH_LIBRARIES})
      else()
        string(APPEND equipoise_NOT_FOUND_MESSAGE
               "LibTorch was not found: install it (Debian: libtorch-dev), unpack an archive of it, or take the one of "
               "Python's torch, and add its directory to CMAKE_PREFIX_PATH (Python's is "
               "`python3 -c 'import torch; print(torch.utils.cmake_prefix_path)'`). ")
      endif()
    else()
      string(APPEND equipoise_NOT_FOUND_MESSAGE
             "Equipoise has no component ${equipoise_backend}: there are eigen and libtorch, and compiled where it was "
             "built with EQUIPOISE_COMPILED=ON. ")
    endif()
  endforeach()

  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL "${equipoise_saved_global}")
endmacro()
