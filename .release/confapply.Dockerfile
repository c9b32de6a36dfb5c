# The image that a system configuration takes the program from.
FROM scratch
COPY confapply /confapply
ENTRYPOINT ["/confapply"]
