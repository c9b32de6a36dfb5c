# The image that a system configuration takes the program from. What is built for
# several platforms lies in a folder for each.
FROM scratch
ARG TARGETPLATFORM
COPY ${TARGETPLATFORM}/confapply /confapply
ENTRYPOINT ["/confapply"]
