# confpush as a CI step, on files that are mounted into it.
#
# The program is static and has git and ssh in itself.
FROM scratch
# Who signs for git servers over https: the bundle of the machine that makes the release
# (Debian's package ca-certificates), where Go looks for it. --ca-file, or another file
# mounted over this one, takes its place.
COPY .release/out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# What is built for several platforms lies in a folder for each.
ARG TARGETPLATFORM
COPY ${TARGETPLATFORM}/confpush /confpush
# Nobody. To read a key or a token that only its owner may read, be the owner:
# --user "$(id -u):$(id -g)".
USER 65534:65534
ENTRYPOINT ["/confpush"]
