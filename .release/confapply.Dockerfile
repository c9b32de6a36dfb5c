# confapply alone: what a system configuration's image takes the program from, as
# examples/sysconfig/Dockerfile does.
#
# It is static and talks to sockets that are mounted into it, so there is nothing else.
# It stays root, which the host's unit folder and system bus ask for.
FROM scratch
# What is built for several platforms lies in a folder for each.
ARG TARGETPLATFORM
COPY ${TARGETPLATFORM}/confapply /confapply
ENTRYPOINT ["/confapply"]
