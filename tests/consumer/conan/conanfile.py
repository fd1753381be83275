"""A project that requires Equipoise; `conan create` in the root builds and runs it."""

import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout


class EquipoiseConsumer(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        options = self.dependencies["equipoise"].options
        toolchain.cache_variables["COMPILED"] = bool(options.compiled)
        toolchain.cache_variables["WITH_EIGEN"] = bool(options.with_eigen)
        toolchain.user_presets_path = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def test(self):
        if can_run(self):
            for program in ["core", "eigen"]:
                if program == "core" or self.dependencies["equipoise"].options.with_eigen:
                    self.run(os.path.join(self.cpp.build.bindir, program), env="conanrun")
