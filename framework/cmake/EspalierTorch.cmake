# Defines espalier_torch. Libraries are linked by path: the wheel's own CMake configuration of a CUDA build wants a CUDA toolkit.
include(EspalierTorchFolder)
add_library(espalier_torch INTERFACE)

# Without OpenMP's flag at::parallel_for compiles to a plain loop. The runtime is the one that LibTorch brings, if it does: two
# would be two pools of threads.
find_package(OpenMP REQUIRED COMPONENTS CXX)
file(GLOB torch_openmp "${torch_root}/lib/libgomp*.so*")
if(torch_openmp)
  target_compile_options(espalier_torch INTERFACE ${OpenMP_CXX_FLAGS})
  target_link_libraries(espalier_torch INTERFACE ${torch_openmp})
else()
  target_link_libraries(espalier_torch INTERFACE OpenMP::OpenMP_CXX)
endif()
target_include_directories(espalier_torch SYSTEM INTERFACE "${torch_root}/include" "${torch_root}/include/torch/csrc/api/include")
foreach(library torch_cpu torch_cuda c10 c10_cuda)
  # Nothing of another LibTorch: the system's lies below lib/ in a folder of its architecture.
  find_library(TORCH_LIBRARY_${library} ${library} PATHS "${torch_root}/lib" "${torch_root}/lib/${CMAKE_LIBRARY_ARCHITECTURE}" NO_DEFAULT_PATH)
  mark_as_advanced(TORCH_LIBRARY_${library})
  if(TORCH_LIBRARY_${library})
    target_link_libraries(espalier_torch INTERFACE "${TORCH_LIBRARY_${library}}")
  endif()
endforeach()
