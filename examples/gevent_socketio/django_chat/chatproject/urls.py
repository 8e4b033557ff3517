from chat import views
from django.urls import include, path
from socketio import sdjango

sdjango.autodiscover()

urlpatterns = [
    path("", views.index),
    path("create", views.create),
    path("room/<path:name>", views.room, name="room"),
    path("socket.io/", include(sdjango.urls)),
]
