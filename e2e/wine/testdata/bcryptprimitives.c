/* Programs of Go ask this library of Windows for random bytes; Wine 8 has none
   of it. It passes the question on to the one that Wine has. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T n) {
  return SystemFunction036(data, (ULONG)n);
}
