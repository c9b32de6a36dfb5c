# unitstamp as a CI step, on files that are mounted into it.
#
# Nothing but the program: it is static, reads and writes the files that it is given, and
# talks to nobody, so it needs no shell, no C library and no certificates.
FROM scratch
# What is built for several platforms lies in a folder for each.
ARG TARGETPLATFORM
COPY ${TARGETPLATFORM}/unitstamp /unitstamp
# Nobody. Reading needs no more; to write, be who owns the files: --user "$(id -u):$(id -g)".
USER 65534:65534
ENTRYPOINT ["/unitstamp"]
