# The VTK module of ../vtk against the VTK that was found, that of ../vtkrendering where VTK has OpenGL, and their Python wrappers.

set(files "${CMAKE_CURRENT_SOURCE_DIR}/vtk/vtk.module")
set(requested Neuvol::NeuvolVTK)
set(NEUVOL_HAS_RENDERING OFF)
if (VTK_RenderingOpenGL2_FOUND OR ParaView_RemotingViews_FOUND)
  set(NEUVOL_HAS_RENDERING ON)
  list(APPEND files "${CMAKE_CURRENT_SOURCE_DIR}/vtkrendering/vtk.module")
  list(APPEND requested Neuvol::NeuvolVTKRendering)
endif ()
vtk_module_scan(
  MODULE_FILES ${files}
  REQUEST_MODULES ${requested}
  PROVIDES_MODULES modules
  REQUIRES_MODULES required
  HIDE_MODULES_FROM_CACHE ON)
foreach (module IN LISTS required)
  if (NOT TARGET "${module}")
    message(FATAL_ERROR "VTK ${VTK_VERSION} lacks ${module}, which the module needs")
  endif ()
endforeach ()

set(BUILD_SHARED_LIBS ON)
vtk_module_build(
  MODULES ${modules}
  PACKAGE NeuvolVTK
  INSTALL_EXPORT NeuvolVTK
  INSTALL_HEADERS ON
  HEADERS_DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/neuvol"
  CMAKE_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/Neuvol"
  ARCHIVE_DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY_DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME_DESTINATION "${CMAKE_INSTALL_BINDIR}"
  LIBRARY_NAME_SUFFIX ""
  ENABLE_WRAPPING ON)

if (NEUVOL_PYTHON AND TARGET VTK::WrappingPythonCore)
  set(NEUVOL_PYTHON_MODULE "${CMAKE_INSTALL_LIBDIR}/python/vtkneuvol")
  list(APPEND CMAKE_INSTALL_RPATH "$ORIGIN/../..")
  vtk_module_wrap_python(
    MODULES ${modules}
    TARGET Neuvol::vtkneuvolpython
    PYTHON_PACKAGE vtkneuvol
    MODULE_DESTINATION "${CMAKE_INSTALL_LIBDIR}/python"
    CMAKE_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/Neuvol"
    BUILD_STATIC OFF
    DEPENDS
    INSTALL_HEADERS OFF)
  configure_file("${CMAKE_CURRENT_SOURCE_DIR}/vtk/__init__.py"
    "${CMAKE_BINARY_DIR}/${NEUVOL_PYTHON_MODULE}/__init__.py" COPYONLY)
  install(FILES "${CMAKE_CURRENT_SOURCE_DIR}/vtk/__init__.py" DESTINATION "${NEUVOL_PYTHON_MODULE}")
endif ()
