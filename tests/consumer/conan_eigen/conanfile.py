"""The Eigen of this machine under the name that Conan's center gives it, so that nothing has to be downloaded."""

import os

from conan import ConanFile
from conan.tools.files import copy


class SystemEigen(ConanFile):
    name = "eigen"
    version = "3.4.0"
    package_type = "header-library"

    def package(self):
        include = os.environ.get("EIGEN_INCLUDE", "/usr/include/eigen3")
        copy(self, "*", include, os.path.join(self.package_folder, "include", "eigen3"))

    def package_info(self):
        self.cpp_info.includedirs = [os.path.join("include", "eigen3")]
        self.cpp_info.set_property("cmake_file_name", "Eigen3")
        self.cpp_info.set_property("cmake_target_name", "Eigen3::Eigen")
