// The version of the library; CMakeLists.txt and MODULE.bazel are checked against it.
#ifndef EQUIPOISE_VERSION_H_
#define EQUIPOISE_VERSION_H_

/// The version of the library, in numbers and as text.
#define EQUIPOISE_VERSION_MAJOR 0
#define EQUIPOISE_VERSION_MINOR 2
#define EQUIPOISE_VERSION_PATCH 0
#define EQUIPOISE_VERSION_STRING "0.2.0"

#endif  // EQUIPOISE_VERSION_H_
