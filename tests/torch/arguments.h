// A kernel called as cuLaunchKernel does: with the addresses of its arguments.
#pragma once

#include <cstring>
#include <utility>

template <typename T>
T argument(void **arguments, int number) {
    T value;
    std::memcpy(&value, arguments[number], sizeof(T));
    return value;
}

template <typename... Arguments, std::size_t... Numbers>
void call(void (*kernel)(Arguments...), void **arguments, std::index_sequence<Numbers...>) {
    kernel(argument<Arguments>(arguments, Numbers)...);
}
