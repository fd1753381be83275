"""Equipoise for Conan 2: `conan create .`, then `equipoise/VERSION` among the requirements of a project.

The version is that of include/equipoise/version.h. A project that uses CMakeDeps and CMakeToolchain gets Equipoise's own
CMake package, so find_package(equipoise) defines the same targets as for a copy installed by hand.
"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load

required_conan_version = ">=2.1"


class EquipoiseConan(ConanFile):
    name = "equipoise"
    description = "Learning from imbalanced classes: weights, samplers, losses, metrics"
    license = "Apache-2.0"
    topics = ("machine-learning", "imbalanced-data", "loss-functions", "sampling", "header-only")

    settings = "os", "arch", "compiler", "build_type"
    package_type = "static-library"  # header-library without `compiled`: configure()
    options = {"compiled": [True, False], "with_eigen": [True, False]}
    default_options = {"compiled": False, "with_eigen": False}

    exports_sources = "CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*"
    test_package_folder = "tests/consumer/conan"
    no_copy_source = True

    def set_version(self):
        header = load(self, os.path.join(self.recipe_folder, "include", "equipoise", "version.h"))
        self.version = re.search(r'EQUIPOISE_VERSION_STRING "(.+)"', header).group(1)

    def export(self):
        # set_version() reads it again where only the recipe is in the cache.
        copy(self, "include/equipoise/version.h", self.recipe_folder, self.export_folder)

    def configure(self):
        if not self.options.compiled:
            self.package_type = "header-library"

    def requirements(self):
        if self.options.with_eigen:
            self.requires("eigen/3.4.0", transitive_headers=True)

    def package_id(self):
        if not self.info.options.compiled:
            self.info.settings.clear()

    def validate(self):
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["EQUIPOISE_COMPILED"] = bool(self.options.compiled)
        toolchain.cache_variables["CMAKE_INSTALL_LIBDIR"] = "lib"
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()

    def package_info(self):
        # The package's own CMake files, in place of generated ones.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "equipoise")]
        self.cpp_info.libs = ["equipoise"] if self.options.compiled else []
        self.cpp_info.defines = ["EQUIPOISE_COMPILED"] if self.options.compiled else []
        self.cpp_info.bindirs = []
        if not self.options.compiled:
            self.cpp_info.libdirs = []
