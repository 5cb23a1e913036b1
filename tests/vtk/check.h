// What the tests of neuvol.h check with.

#ifndef check_h
#define check_h

#include <neuvol/neuvol.h>

#include <cstdio>
#include <cstdlib>
#include <string>

inline void check(bool holds, const char* what, int line)
{
  if (!holds)
  {
    std::fprintf(stderr, "line %d: %s\n", line, what);
    std::exit(1);
  }
}
#define CHECK(condition) check(condition, #condition, __LINE__)

template <typename Call>
std::string messageOf(Call&& call)
{
  try
  {
    call();
  }
  catch (const neuvol::Error& error)
  {
    return error.what();
  }
  return {};
}

inline bool has(const std::string& text, const char* part)
{
  return text.find(part) != std::string::npos;
}

#endif
