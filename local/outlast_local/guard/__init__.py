"""Stands between web pages and Restate's ports: neither has a login, and both answer every page.

A browser on this machine reaches loopback for any page that it shows. So the ports that people
know (8080, 9070) are this reverse proxy's, which lets in what comes from no page (curl, the
command line) and what comes from Restate's own UI. Restate itself is where browsers can't go: on
Unix sockets, or inside a network of containers.

    python -m outlast_local.guard \
        --ingress 127.0.0.1:8080 unix:///run/restate/ingress.sock \
        --admin 127.0.0.1:9070 unix:///run/restate/admin.sock

`visitors` decides who comes in, `proxy` passes requests on, `server` opens the doors. It needs
nothing of app, worker and Restate's SDK, so that it runs in an image of its own.
"""
