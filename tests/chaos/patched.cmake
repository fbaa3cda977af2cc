# Writes a patched copy of a source: -DSOURCE= -DPATCH= -DOUT=.
find_program(program patch)
if(NOT program)
  message(FATAL_ERROR "'patch' is not installed: tools/setup --tests installs it")
endif()
execute_process(COMMAND "${program}" --silent --fuzz=0 --output=${OUT} --reject-file=- "${SOURCE}" "${PATCH}" RESULT_VARIABLE failed OUTPUT_VARIABLE said
                ERROR_VARIABLE said)
if(failed)
  file(REMOVE "${OUT}")
  message(FATAL_ERROR "the control ${PATCH} does not apply to ${SOURCE} any more: write it anew, so that the tests of the token can still fail\n${said}")
endif()
